import django.contrib.gis.db.models.fields
import django.contrib.gis.db.models.functions
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import gis.fields
import services.catalog.ids
import services.catalog.quantities
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('enterprises', '0001_initial'),
        ('projects', '0001_initial'),
        ('spatial', '0002_region_code_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='MixingPlant',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('running', '生产'), ('idle', '待机'), ('rectifying', '整改'), ('stopped', '停产')], default='idle', max_length=12, verbose_name='状态')),
                ('address', models.CharField(blank=True, max_length=200, verbose_name='地址')),
                ('lines', models.PositiveSmallIntegerField(default=1, verbose_name='生产线数')),
                ('capacity', services.catalog.quantities.Quantity(blank=True, null=True, unit='m³/h', validators=[django.core.validators.MinValueValidator(0)], verbose_name='设计产能')),
                ('sealed', models.BooleanField(default=False, verbose_name='封闭式料仓')),
                ('opened_on', models.DateField(blank=True, null=True, verbose_name='投产日期')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('enterprise', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='plants', to='enterprises.enterprise', verbose_name='所属企业')),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '搅拌站',
                'verbose_name_plural': '搅拌站',
            },
        ),
        migrations.CreateModel(
            name='MixerTruck',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('code', models.CharField(max_length=16, unique=True, verbose_name='车牌号')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('idle', '空闲'), ('loading', '装料'), ('driving', '运输'), ('pouring', '卸料'), ('offline', '离线')], default='offline', max_length=12, verbose_name='状态')),
                ('volume', services.catalog.quantities.Quantity(blank=True, null=True, unit='m³', validators=[django.core.validators.MinValueValidator(0)], verbose_name='搅动容量')),
                ('speed', services.catalog.quantities.Quantity(blank=True, null=True, unit='km/h', validators=[django.core.validators.MinValueValidator(0)], verbose_name='速度')),
                ('heading', services.catalog.quantities.Quantity(blank=True, null=True, unit='°', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(360)], verbose_name='航向')),
                ('located_at', models.DateTimeField(blank=True, null=True, verbose_name='定位时间')),
                ('driver', models.CharField(blank=True, max_length=60, verbose_name='驾驶员')),
                ('driver_phone', models.CharField(blank=True, max_length=20, verbose_name='驾驶员电话')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('plant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='trucks', to='concrete.mixingplant', verbose_name='所属搅拌站')),
            ],
            options={
                'verbose_name': '混凝土运输车',
                'verbose_name_plural': '混凝土运输车',
            },
        ),
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('number', models.CharField(max_length=32, unique=True, verbose_name='批次号')),
                ('made_at', models.DateTimeField(verbose_name='出厂时间')),
                ('part', models.CharField(blank=True, max_length=100, verbose_name='浇筑部位')),
                ('grade', models.CharField(choices=[('C15', 'C15'), ('C20', 'C20'), ('C25', 'C25'), ('C30', 'C30'), ('C35', 'C35'), ('C40', 'C40'), ('C45', 'C45'), ('C50', 'C50'), ('C55', 'C55'), ('C60', 'C60')], max_length=4, verbose_name='强度等级')),
                ('mix_number', models.CharField(blank=True, max_length=50, verbose_name='设计配合比编号')),
                ('volume', services.catalog.quantities.Quantity(blank=True, null=True, unit='m³', validators=[django.core.validators.MinValueValidator(0)], verbose_name='方量')),
                ('slump', services.catalog.quantities.Quantity(blank=True, null=True, unit='mm', validators=[django.core.validators.MinValueValidator(0)], verbose_name='坍落度')),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='batches', to='projects.project', verbose_name='供应工程')),
                ('truck', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='batches', to='concrete.mixertruck', verbose_name='运输车')),
                ('plant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='batches', to='concrete.mixingplant', verbose_name='搅拌站')),
            ],
            options={
                'verbose_name': '生产批次',
                'verbose_name_plural': '生产批次',
                'ordering': ['-made_at'],
            },
        ),
        migrations.CreateModel(
            name='PlantInspection',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('done_on', models.DateField(verbose_name='检查日期')),
                ('inspector', models.CharField(max_length=60, verbose_name='检查人')),
                ('subject', models.CharField(max_length=200, verbose_name='检查内容')),
                ('findings', models.CharField(blank=True, max_length=300, verbose_name='发现问题')),
                ('result', models.CharField(choices=[('passed', '合格'), ('rectify', '责令改正'), ('stopped', '责令停产')], max_length=8, verbose_name='检查结论')),
                ('plant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='inspections', to='concrete.mixingplant', verbose_name='搅拌站')),
            ],
            options={
                'verbose_name': '监督检查',
                'verbose_name_plural': '监督检查',
                'ordering': ['-done_on'],
            },
        ),
        migrations.CreateModel(
            name='Trip',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('departed_at', models.DateTimeField(verbose_name='出站时间')),
                ('arrived_at', models.DateTimeField(blank=True, null=True, verbose_name='到场时间')),
                ('unloaded_at', models.DateTimeField(blank=True, null=True, verbose_name='卸料完成时间')),
                ('distance', services.catalog.quantities.Quantity(blank=True, null=True, unit='km', validators=[django.core.validators.MinValueValidator(0)], verbose_name='行驶里程')),
                ('batch', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='trips', to='concrete.batch', verbose_name='生产批次')),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='projects.project', verbose_name='目的工程')),
                ('truck', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trips', to='concrete.mixertruck', verbose_name='运输车')),
            ],
            options={
                'verbose_name': '运输行程',
                'verbose_name_plural': '运输行程',
                'ordering': ['-departed_at'],
            },
        ),
        migrations.CreateModel(
            name='TruckCheck',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('done_on', models.DateField(verbose_name='检查日期')),
                ('item', models.CharField(max_length=100, verbose_name='检查项目')),
                ('passed', models.BooleanField(verbose_name='合格')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('truck', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='checks', to='concrete.mixertruck', verbose_name='运输车')),
            ],
            options={
                'verbose_name': '车辆检查',
                'verbose_name_plural': '车辆检查',
                'ordering': ['-done_on'],
            },
        ),
        migrations.AddIndex(
            model_name='mixertruck',
            index=models.Index(fields=['state'], name='mixer_truck_state'),
        ),
        migrations.AddConstraint(
            model_name='mixertruck',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('heading', None), ('heading__range', (0, 360)), _connector='OR'), models.Q(('speed', None), ('speed__gte', 0), _connector='OR')), name='mixer_truck_motion_possible', violation_error_message='航向应在 0° 至 360° 之间，速度不得为负。'),
        ),
        migrations.AddConstraint(
            model_name='batch',
            constraint=models.CheckConstraint(condition=models.Q(('volume__gt', 0)), name='batch_volume_positive', violation_error_message='方量应大于零。'),
        ),
        migrations.AddConstraint(
            model_name='trip',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('arrived_at', None), ('arrived_at__gte', models.F('departed_at')), _connector='OR'), models.Q(('unloaded_at', None), ('unloaded_at__gte', models.F('arrived_at')), _connector='OR')), name='trip_times_in_order', violation_error_message='出站、到场、卸料时间应依次先后。'),
        ),
    ]
